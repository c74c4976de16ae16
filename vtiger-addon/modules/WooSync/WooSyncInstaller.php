<?php
// Everything that the add-on enters in Vtiger, and how each entry goes again.

require_once __DIR__ . '/WooSyncState.php';
require_once __DIR__ . '/WooSyncPages.php';

class WooSyncInstaller
{
    const CRON = 'WooSync';
    const CRON_FILE = 'cron/modules/WooSync/WooSync.service';
    /** Name (and PHP function), file, type, parameters in their order. */
    const OPERATIONS = array(
        array('woosync_changes', 'WooSyncWs.php', 'GET', array('since', 'limit')),
        array('woosync_save', 'WooSyncSave.php', 'POST', array('records', 'seconds')),
        array('woosync_read', 'WooSyncRead.php', 'POST', array('module', 'ids', 'since', 'after', 'limit')),
    );
    const MENU = 'WooSync';
    const MENU_LINK = 'index.php?module=WooSync&parent=Settings&view=Index';
    const FOLDERS = array(
        'modules/Settings/WooSync',
        'layouts/v7/modules/Settings/WooSync',
        'layouts/v7/modules/WooSync',
        'cron/modules/WooSync',
        'modules/WooSync',
    );

    private $db;
    private $state;
    private $pages;

    public function __construct(WooSyncDb $db)
    {
        $this->db = $db;
        $this->state = new WooSyncState($db);
        $this->pages = new WooSyncPages($db);
    }

    public static function open()
    {
        return new self(WooSyncDb::open());
    }

    public function install()
    {
        $this->prepare();
        $this->start();
    }

    /** An update renews what is registered, and leaves settings, outbox and a switch-off alone. */
    public function update()
    {
        $this->prepare();
        if ($this->state->config->get('enabled', '1') === '1') {
            $this->register();
        }
    }

    public function enable()
    {
        $this->prepare();
        $this->start();
    }

    public function disable()
    {
        $this->unregister();
        $this->state->config->set(array('enabled' => 0));
    }

    /** What happened before is nobody's business: the service looks at everything once. */
    private function start()
    {
        $this->state->outbox->settle(time());
        $started = array('enabled' => 1, 'installed_at' => time());
        $this->state->config->set(WooSyncState::newInstallation(time()) + $started);
        $this->register();
    }

    private function prepare()
    {
        $this->state->config->create();
        $this->state->outbox->create();
        $this->state->keys->create();
        $this->addMenu();
        if ($this->state->config->get('installed_at') === '') {
            $this->state->config->set(array('installed_at' => time()));
        }
        if ($this->state->config->get('modules') === '') {
            $this->state->config->set(array('modules' => json_encode(WooSyncRules::MODULES)));
        }
    }

    private function register()
    {
        $this->unregister();
        $objection = WooSyncRules::objection(WooSyncState::vtigerVersion(), PHP_VERSION, function_exists('curl_init'));
        $this->state->config->set(array('objection' => $objection));
        if ($objection !== '') {
            return; // the settings page says so
        }
        $this->pages->add();
        $this->addHandlers();
        $this->addOperations();
        // The lowest sequence: a task that dies takes those after it along.
        require_once 'vtlib/Vtiger/Cron.php';
        Vtiger_Cron::register(
            self::CRON, self::CRON_FILE, 60, 'WooSync', 1, -1, 'Tells woo-vtiger what events did not'
        );
    }

    private function unregister()
    {
        require_once 'include/events/include.inc';
        require_once 'vtlib/Vtiger/Cron.php';
        $events = new VTEventsManager(PearDatabase::getInstance());
        $events->unregisterHandler('WooSyncHandler');
        $this->pages->hide();
        Vtiger_Cron::deregister(self::CRON);
        $this->removeOperations();
    }

    private function addHandlers()
    {
        $events = new VTEventsManager(PearDatabase::getInstance());
        foreach (WooSyncRules::EVENTS as $event) {
            $events->registerHandler($event, 'modules/WooSync/WooSyncHandler.php', 'WooSyncHandler', '', '[]');
        }
        $events->setModuleForHandler('WooSync', 'WooSyncHandler');
    }

    private function addOperations()
    {
        require_once 'include/Webservices/Utils.php';
        foreach (self::OPERATIONS as list($name, $file, $type, $parameters)) {
            $id = vtws_addWebserviceOperation($name, "modules/WooSync/$file", $name, $type);
            foreach ($parameters as $position => $parameter) {
                vtws_addWebserviceOperationParam($id, $parameter, 'string', $position + 1);
            }
        }
    }

    /** By the start of their names: another version of the add-on may have had others. */
    private function removeOperations()
    {
        $found = $this->db->rows("SELECT operationid FROM vtiger_ws_operation WHERE name LIKE 'woosync!_%' ESCAPE '!'");
        foreach ($found as $row) {
            $id = array((int) $row['operationid']);
            $this->db->change('DELETE FROM vtiger_ws_operation_parameters WHERE operationid = ?', $id);
            $this->db->change('DELETE FROM vtiger_ws_operation WHERE operationid = ?', $id);
        }
    }

    private function addMenu()
    {
        $sql = 'SELECT COUNT(*) AS found FROM vtiger_settings_field WHERE name = ?';
        if ((int) $this->db->value($sql, array(self::MENU))) {
            return;
        }
        $this->db->change(
            'INSERT INTO vtiger_settings_field'
            . ' (fieldid, blockid, name, iconpath, description, linkto, sequence, active)'
            . ' VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
            array(
                $this->db->nextId('vtiger_settings_field'), $this->menuBlock(), self::MENU, '',
                'Tells woo-vtiger which records changed', self::MENU_LINK, 9, 0,
            )
        );
    }

    private function menuBlock()
    {
        $sql = 'SELECT blockid AS found FROM vtiger_settings_blocks WHERE label = ?';
        $block = $this->db->value($sql, array('LBL_INTEGRATION'));
        if ($block === null) {
            $block = $this->db->nextId('vtiger_settings_blocks');
            $last = (int) $this->db->value('SELECT MAX(sequence) AS found FROM vtiger_settings_blocks');
            $this->db->change(
                'INSERT INTO vtiger_settings_blocks (blockid, label, sequence) VALUES (?, ?, ?)',
                array($block, 'LBL_INTEGRATION', $last + 1)
            );
            $this->state->config->set(array('menu_block' => $block));
        }
        return (int) $block;
    }

    /** The block that was made for the add-on goes with it, unless others use it by now. */
    private function removeMenu()
    {
        $sql = 'DELETE FROM vtiger_settings_field WHERE name = ? AND linkto = ?';
        $this->db->change($sql, array(self::MENU, self::MENU_LINK));
        $block = (int) $this->state->config->get('menu_block');
        $used = 'SELECT COUNT(*) AS found FROM vtiger_settings_field WHERE blockid = ?';
        if ($block && !(int) $this->db->value($used, array($block))) {
            $this->db->change('DELETE FROM vtiger_settings_blocks WHERE blockid = ?', array($block));
        }
    }

    /** All entries in the database; Vtiger itself removes its module row and profile rows. */
    public function remove()
    {
        $this->unregister();
        $this->removeMenu();
        $this->pages->remove();
        $this->state->outbox->drop();
        $this->state->keys->drop();
        $this->state->config->drop();
    }

    /** The whole add-on, files too: a folder left behind would bar the next installation. */
    public static function uninstall()
    {
        require_once 'vtlib/Vtiger/Module.php';
        $module = Vtiger_Module::getInstance('WooSync');
        $module ? $module->delete() : self::open()->remove(); // delete fires module.preuninstall
        $root = dirname(__DIR__, 2);
        $left = array();
        foreach (self::FOLDERS as $folder) {
            self::removeFolder($root . '/' . $folder);
            if (file_exists($root . '/' . $folder)) {
                $left[] = $folder;
            }
        }
        return $left;
    }

    private static function removeFolder($folder)
    {
        if (!is_dir($folder) || is_link($folder)) {
            return;
        }
        foreach (array_diff(scandir($folder), array('.', '..')) as $name) {
            $path = $folder . '/' . $name;
            is_dir($path) && !is_link($path) ? self::removeFolder($path) : @unlink($path);
        }
        @rmdir($folder);
    }
}
