<?php
// The module as Vtiger's menu sees it: its entry is called after the page that it leads to, which has
// no records, lists or fields.

class WooSync_Module_Model extends Vtiger_Module_Model
{
    const TITLE = 'WooCommerce Sync Log';

    /** The menu alone sets the place that a module has in it; Module Manager shows the add-on's name. */
    public function get($name)
    {
        return $name === 'label' && isset($this->app2tab_sequence) ? self::TITLE : parent::get($name);
    }

    /** Narrow, for the menu has little room beside the title. */
    public function getModuleIcon()
    {
        return "<i class='fa fa-refresh' title='" . self::TITLE . "'></i>";
    }

    public function getListViewUrlWithAllFilter()
    {
        return $this->getListViewUrl();
    }

    public function getSideBarLinks($parameters)
    {
        return array();
    }

    public function getModuleBasicLinks()
    {
        return array();
    }

    public function getSettingLinks()
    {
        return array();
    }
}
