"""What every venue needs and none is named in: numbers, request budgets, books, HTTP and web sockets."""
