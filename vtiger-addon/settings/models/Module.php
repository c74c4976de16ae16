<?php
// Asked for by the base view of all settings pages.

class Settings_WooSync_Module_Model extends Settings_Vtiger_Module_Model
{
    public $name = 'WooSync';
}
