"""All routes of this dialect."""

from __future__ import annotations

from fastapi import APIRouter

from warehouse.api.backquant.endpoints import chain, documents, gex, history, multi, options, service
from warehouse.api.backquant.errors import DialectRoute

router = APIRouter(route_class=DialectRoute)
for part in (gex, history, multi, options, chain, service, documents):
    router.include_router(part.router)
