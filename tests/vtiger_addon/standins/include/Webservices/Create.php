<?php
// Stands in for the operation create.

function vtws_create($module, $element, $user)
{
    $meta = vtws_getModuleHandlerFromName($module, $user)->getMeta();
    $meta->hasMandatoryFields($element);
    $focus = CRMEntity::getInstance($module);
    foreach (DataTransform::sanitizeForInsert($element, $meta) as $name => $value) {
        $focus->column_fields[$name] = $value;
    }
    $focus->save($module);
    return array('id' => vtws_getId($meta->getEntityId(), $focus->id));
}
