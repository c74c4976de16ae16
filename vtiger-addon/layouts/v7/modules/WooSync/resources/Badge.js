// Shows the badge at the head of the detail page of a contact, a product or a sales order.
jQuery(function () {
    'use strict';
    var MODULES = ['Contacts', 'Products', 'SalesOrder'];
    var AGAIN_MS = 3000;
    var record = jQuery('#recordId').val();

    if (typeof _META === 'undefined' || _META.view !== 'Detail' || MODULES.indexOf(_META.module) < 0 || !record) {
        return;
    }

    function show() {
        var place = {module: 'WooSync', view: 'Badge', record: record};
        jQuery.get('index.php', place).done(function (html) {
            // A page of another kind is Vtiger's: a refusal, or the way to its login.
            var badge = jQuery('<div>').html(html).children('.woosync-badge');
            if (badge.length) {
                jQuery('.woosync-badge').remove();
                jQuery('.detailview-header').first().before(badge);
            }
        });
    }

    function syncNow(button) {
        var said = button.siblings('.woosync-said');
        button.prop('disabled', true);
        said.text('');
        // Vtiger's own call adds the token that its actions ask for.
        app.request.post({data: {module: 'WooSync', action: 'SyncNow', record: record}}).then(function (fault, result) {
            button.prop('disabled', false);
            said.text(fault ? fault.message : result.message);
            if (!fault) {
                setTimeout(show, AGAIN_MS);
            }
        });
    }

    jQuery(document).on('click', '.woosync-now', function () {
        syncNow(jQuery(this));
    });
    show();
});
