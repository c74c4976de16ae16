<?php
// What the add-on enters in Vtiger for its pages, and how each entry goes again: the script that shows
// the badge, and the Sync Log's place in the menu.

require_once __DIR__ . '/WooSyncState.php';

class WooSyncPages
{
    const LINK_TYPE = 'HEADERSCRIPT';
    const LINK = 'WooSyncBadge';
    const SCRIPT = 'layouts/v7/modules/WooSync/resources/Badge.js';
    const APP = 'TOOLS';
    const NOT_PERMITTED = 1;

    private $db;

    public function __construct(WooSyncDb $db)
    {
        $this->db = $db;
    }

    /** To be called while nothing is shown, as after `hide`. */
    public function add()
    {
        $this->addScript();
        $this->addToMenu();
    }

    /**
     * The tab 0 is every module's: of links of a module's own, users get those of modules that their
     * profile permits. The version has browsers load the script of an update.
     */
    private function addScript()
    {
        $this->db->change(
            'INSERT INTO vtiger_links (linkid, tabid, linktype, linklabel, linkurl, linkicon, sequence)'
            . ' VALUES (?, ?, ?, ?, ?, ?, ?)',
            array(
                $this->db->nextId('vtiger_links'), 0, self::LINK_TYPE, self::LINK,
                self::SCRIPT . '?v=' . WooSyncRules::VERSION, '', 0,
            )
        );
    }

    /** For administrators, as the page is. A place that somebody chose in Menu Editor is kept. */
    private function addToMenu()
    {
        $tab = $this->tab();
        $this->db->change(
            'UPDATE vtiger_profile2tab SET permissions = ? WHERE tabid = ?',
            array(self::NOT_PERMITTED, $tab)
        );
        $sql = 'SELECT COUNT(*) AS found FROM vtiger_app2tab WHERE tabid = ?';
        if (!$tab || (int) $this->db->value($sql, array($tab))) {
            return;
        }
        $sql = 'SELECT MAX(sequence) AS found FROM vtiger_app2tab WHERE appname = ?';
        $last = (int) $this->db->value($sql, array(self::APP));
        $this->db->change(
            'INSERT INTO vtiger_app2tab (tabid, appname, sequence, visible) VALUES (?, ?, ?, ?)',
            array($tab, self::APP, $last + 1, 1)
        );
    }

    /** Nothing is shown while the add-on is switched off: Vtiger itself hides the menu's entry. */
    public function hide()
    {
        $this->db->change(
            'DELETE FROM vtiger_links WHERE linktype = ? AND linklabel = ?',
            array(self::LINK_TYPE, self::LINK)
        );
    }

    public function remove()
    {
        $this->hide();
        $this->db->change('DELETE FROM vtiger_app2tab WHERE tabid = ?', array($this->tab()));
    }

    private function tab()
    {
        return (int) $this->db->value('SELECT tabid AS found FROM vtiger_tab WHERE name = ?', array('WooSync'));
    }
}
