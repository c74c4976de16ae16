<?php
// Stands in for the operation revise, which leaves an order's lines alone.

function vtws_revise($element, $user)
{
    list($prefix, $number) = explode('x', $element['id']);
    $module = VtigerWebserviceObject::fromId(null, $prefix)->getEntityName();
    $meta = vtws_getModuleHandlerFromName($module, $user)->getMeta();
    if ($meta->getObjectEntityName($element['id']) !== $module) {
        throw new WebServiceException('ACCESS_DENIED', 'Permission to perform the operation is denied');
    }
    $meta->isUpdateMandatoryFields($element);
    $focus = CRMEntity::getInstance($module);
    $focus->retrieve_entity_info($number, $module);
    unset($element['id']);
    foreach (DataTransform::sanitizeForInsert($element, $meta) as $name => $value) {
        $focus->column_fields[$name] = $value;
    }
    $focus->mode = 'edit';
    $_REQUEST['ajxaction'] = 'DETAILVIEW';
    $focus->save($module);
    return array('id' => vtws_getId($prefix, $number));
}
