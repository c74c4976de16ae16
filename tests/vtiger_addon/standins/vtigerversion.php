<?php
$vtiger_current_version = getenv("CRM_VERSION");
