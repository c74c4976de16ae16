"""Which creates are sent with a key, so that none is made twice (decision 24)."""

from app.errors import System
from app.module_facts import FACTS
from app.records import Module
from app.runtime import Runtime


async def takes_key(runtime: Runtime, target: System, module: Module) -> bool:
    """Whether the target makes nothing twice that is sent with one key. Raises the RemoteError
    tree where Vtiger cannot be asked what its add-on can."""
    return target is System.VTIGER and await runtime.vtiger.saves(FACTS[module].vtiger_name)
