-- Puts what a check found in the place of what was known of a node, and registers the node if asked to. One change event
-- tells that it went up or down, or came into the pool. A node that has been taken out meanwhile stays out.
-- KEYS    facts, known, down, changes
-- ARGV    1 host, 2 old document ('' = there must be none), 3 new document, 4 'up' or 'down', 5 time of the
--         registration ('' = none; the first one counts), 6 change event, 7 length of the stream, 8 channel,
--         9 1 if the configuration has the node, else 0
-- Returns 1, or 0 when the stored document is another one than the old: read again
local facts, known, down, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local host, old, new, state, registered, event = unpack(ARGV, 1, 6)

if registered == '' and ARGV[9] == '0' and not redis.call('ZSCORE', known, host) then return 1 end
local stored = redis.call('HGET', facts, host) or ''
if stored ~= old and stored ~= new then return 0 end
redis.call('HSET', facts, host, new)
local changed = redis.call(state == 'down' and 'SADD' or 'SREM', down, host)
if registered ~= '' then changed = changed + redis.call('ZADD', known, 'NX', registered, host) end
if changed > 0 then
  redis.call('XADD', changes, 'MAXLEN', '~', ARGV[7], '*', 'event', event)
  redis.call('PUBLISH', ARGV[8], event)
end
return 1
