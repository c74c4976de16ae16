{* The settings page: what is sent where, how it goes, and how to remove it. *}
<div class="settingsPageDiv" style="padding: 15px; max-width: 900px;">
    <h4>WooSync</h4>
    <p>Tells a woo-vtiger service which records changed. The service reads the records itself.</p>
    {foreach item=PROBLEM from=$WOOSYNC_PROBLEMS}
        <div class="alert alert-warning">{$PROBLEM|escape}</div>
    {/foreach}
    <div id="woosync-message" class="alert" role="status" style="display: none;"></div>

    <form method="post" action="index.php" class="woosync-form" autocomplete="off">
        <input type="hidden" name="module" value="WooSync">
        <input type="hidden" name="parent" value="Settings">
        <input type="hidden" name="action" value="Save">
        <div class="form-group">
            <label for="woosync-url">Address of the service</label>
            <input id="woosync-url" class="inputElement" type="text" name="url" value="{$WOOSYNC_URL|escape}"
                placeholder="https://sync.example.com" style="width: 100%;">
        </div>
        <div class="form-group">
            <label for="woosync-secret">Secret (VTIGER__CALLBACK_SECRET of the service)</label>
            <input id="woosync-secret" class="inputElement" type="password" name="secret" value=""
                autocomplete="new-password" style="width: 100%;"
                placeholder="{if $WOOSYNC_HAS_SECRET}is set; leave empty to keep it{else}not set{/if}">
        </div>
        <fieldset class="form-group">
            <legend style="font-size: 14px;">Modules</legend>
            <input type="hidden" name="choose_modules" value="1">
            {foreach key=NAME item=CHOSEN from=$WOOSYNC_MODULES}
                <label style="margin-right: 20px;">
                    <input type="checkbox" name="modules[]" value="{$NAME|escape}"{if $CHOSEN} checked{/if}>
                    {$NAME|escape}
                </label>
            {/foreach}
        </fieldset>
        <button type="submit" class="btn btn-success">Save</button>
    </form>

    <form method="post" action="index.php" class="woosync-form" style="margin-top: 10px;">
        <input type="hidden" name="module" value="WooSync">
        <input type="hidden" name="parent" value="Settings">
        <input type="hidden" name="action" value="Test">
        <button type="submit" class="btn btn-default">Test the connection</button>
    </form>

    <table class="table table-bordered" style="margin-top: 20px;">
        {foreach key=NAME item=VALUE from=$WOOSYNC_FACTS}
            <tr><th style="width: 30%;">{$NAME|escape}</th><td>{$VALUE|escape}</td></tr>
        {/foreach}
    </table>

    <form method="post" action="index.php" class="woosync-form"
        data-question="Remove WooSync with its settings and its list of changes?">
        <input type="hidden" name="module" value="WooSync">
        <input type="hidden" name="parent" value="Settings">
        <input type="hidden" name="action" value="Uninstall">
        <button type="submit" class="btn btn-danger">Uninstall</button>
    </form>
</div>
<script type="text/javascript">
{literal}
(function () {
    var box = document.getElementById('woosync-message');
    function say(good, text) {
        box.className = 'alert ' + (good ? 'alert-success' : 'alert-danger');
        box.textContent = text;
        box.style.display = 'block';
    }
    function send(form) {
        var request = new XMLHttpRequest();
        request.open('POST', 'index.php');
        request.onload = function () {
            try {
                var answer = JSON.parse(request.responseText);
                say(answer.success, answer.success ? answer.result.message : answer.error.message);
            } catch (fault) {
                say(false, 'Vtiger gave no answer that can be read; load the page anew.');
            }
        };
        request.onerror = function () { say(false, 'Vtiger could not be reached.'); };
        request.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded');
        // As text: Vtiger's own script puts its token before whatever is posted.
        request.send(new URLSearchParams(new FormData(form)).toString());
    }
    Array.prototype.forEach.call(document.querySelectorAll('form.woosync-form'), function (form) {
        form.addEventListener('submit', function (event) {
            event.preventDefault();
            event.stopPropagation();
            var question = form.getAttribute('data-question');
            if (!question || window.confirm(question)) {
                send(form);
            }
        });
    });
})();
{/literal}
</script>
