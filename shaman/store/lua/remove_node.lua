-- Takes a registered node out of the pool, with all that is known of it; a change event tells so.
-- KEYS    facts, known, down, used, changes
-- ARGV    1 host, 2 change event, 3 length of the stream, 4 channel
-- Returns 1, or 0 when no such node has registered
local facts, known, down, used, changes = unpack(KEYS)
local host, event = ARGV[1], ARGV[2]

if redis.call('ZREM', known, host) == 0 then return 0 end
redis.call('HDEL', facts, host)
redis.call('SREM', down, host)
redis.call('HDEL', used, host)
redis.call('XADD', changes, 'MAXLEN', '~', ARGV[3], '*', 'event', event)
redis.call('PUBLISH', ARGV[4], event)
return 1
