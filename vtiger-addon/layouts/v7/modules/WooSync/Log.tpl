{* The Sync Log of the service: both tables, what waits, and the last outcomes. *}
<div class="woosync-log">
    <style>
        .woosync-log { padding: 15px; max-width: 1300px; }
        .woosync-log a { color: #15c; }
        .woosync-log .woosync-open { margin-right: 20px; }
        .woosync-log td.woosync-words { overflow-wrap: anywhere; }
        .woosync-log td.woosync-when { white-space: nowrap; }
    </style>
    <h4>WooCommerce Sync Log</h4>
    {if $WOOSYNC_PROBLEM neq ''}
        <div class="alert alert-warning" role="status">The service cannot be asked at the moment. {$WOOSYNC_PROBLEM|escape}</div>
    {else}
        <p>
            {foreach key=NAME item=ONE from=$WOOSYNC_OPEN}
                <span class="woosync-open">
                    {if $ONE.url neq ''}<a href="{$ONE.url|escape}" target="_blank" rel="noopener noreferrer">{$ONE.count|escape} {$NAME|escape}</a>{else}{$ONE.count|escape} {$NAME|escape}{/if}
                </span>
            {/foreach}
            {if $WOOSYNC_PAGES neq ''}
                <a href="{$WOOSYNC_PAGES|escape}" target="_blank" rel="noopener noreferrer">Open the service</a>
            {/if}
        </p>
        <div class="row">
            {foreach key=TITLE item=ROWS from=$WOOSYNC_TABLES}
                <div class="col-lg-6">
                    <h5><b>{$TITLE|escape}</b></h5>
                    <table class="table table-bordered woosync-counts">
                        <thead>
                            <tr><th>Module</th>{foreach item=COLUMN from=$WOOSYNC_COLUMNS}<th class="text-right">{$COLUMN|escape}</th>{/foreach}</tr>
                        </thead>
                        <tbody>
                            {foreach key=NAME item=CELLS from=$ROWS}
                                <tr>
                                    <th>{$NAME|escape}</th>
                                    {foreach item=CELL from=$CELLS}
                                        <td class="text-right">{if $CELL.url neq ''}<a href="{$CELL.url|escape}" target="_blank" rel="noopener noreferrer">{$CELL.count|escape}</a>{else}{$CELL.count|escape}{/if}</td>
                                    {/foreach}
                                </tr>
                            {/foreach}
                        </tbody>
                    </table>
                </div>
            {/foreach}
        </div>
        <h5><b>Last outcomes</b></h5>
        {if $WOOSYNC_RECENT}
            <table class="table table-bordered woosync-recent">
                <thead><tr><th>When</th><th>Outcome</th><th>In</th><th>Module</th><th>Record</th><th>Message</th></tr></thead>
                <tbody>
                    {foreach item=ROW from=$WOOSYNC_RECENT}
                        <tr>
                            <td class="woosync-when">{if $ROW.url neq ''}<a href="{$ROW.url|escape}" target="_blank" rel="noopener noreferrer">{$ROW.when|escape}</a>{else}{$ROW.when|escape}{/if}</td>
                            <td><span class="label label-{$ROW.kind|escape}">{$ROW.outcome|escape}</span></td>
                            <td class="woosync-when">{$ROW.system|escape}</td>
                            <td class="woosync-when">{$ROW.module|escape}</td>
                            <td class="woosync-words">{$ROW.label|escape}</td>
                            <td class="woosync-words">{$ROW.message|escape}</td>
                        </tr>
                    {/foreach}
                </tbody>
            </table>
        {else}
            <p>Nothing was synced yet.</p>
        {/if}
    {/if}
</div>
