-- The documents of all members of a sorted set, the greatest score first.
-- KEYS    documents, sorted set of ids
-- Returns documents...
--@include cells
return append_documents({}, KEYS[1], redis.call('ZRANGE', KEYS[2], 0, -1, 'REV'))
