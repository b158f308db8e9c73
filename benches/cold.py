"""Import every module of the core, which compiles what is not in the cache; prints seconds as JSON, for run.py."""

import importlib
import json
import pkgutil
import time

import tightloop.core

if __name__ == "__main__":
    begun, begun_cpu = time.perf_counter(), time.process_time()
    for found in pkgutil.walk_packages(tightloop.core.__path__, "tightloop.core."):
        importlib.import_module(found.name)
    print(json.dumps({"cpu": time.process_time() - begun_cpu, "wall": time.perf_counter() - begun}))
