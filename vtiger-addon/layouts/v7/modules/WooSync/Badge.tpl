{* One line for each shop that knows the record; what the service tells is escaped, every bit of it. *}
<div class="woosync-badge">
    <style>
        .woosync-badge { padding-bottom: 12px; font-size: 13px; overflow-wrap: anywhere; }
        .woosync-badge > div { margin-top: 4px; }
        .woosync-badge a { color: #15c; }
        .woosync-badge .btn { margin-right: 8px; padding: 1px 8px; }
    </style>
    {foreach item=LINE from=$WOOSYNC_LINES}
        <div class="woosync-line">
            <span class="label label-{$LINE.kind|escape}">{$LINE.mark|escape}</span>
            {if $LINE.store neq ''}<b>{$LINE.store|escape}</b>{/if}
            {$LINE.before|escape}
            {if $LINE.partner_url neq ''}<a href="{$LINE.partner_url|escape}" target="_blank" rel="noopener noreferrer">{$LINE.partner|escape}</a>{else}{$LINE.partner|escape}{/if}{if $LINE.partner neq '' and $LINE.when neq ''},{/if}
            {$LINE.when|escape}{if $LINE.why neq '' and $LINE.when neq ''}:{/if}
            {$LINE.why|escape}
            {if $LINE.url neq ''}<a href="{$LINE.url|escape}" target="_blank" rel="noopener noreferrer">Details</a>{/if}
        </div>
    {/foreach}
    {if $WOOSYNC_MAY_SYNC}
        <div>
            <button type="button" class="btn btn-default woosync-now" data-record="{$WOOSYNC_RECORD|escape}">Sync now</button>
            <span class="woosync-said" role="status"></span>
        </div>
    {/if}
</div>
