"""Public history of a venue into a catalog: asking within its limits, paging, storing what came."""
