-- Takes or renews the right to check the nodes, which one process of the fleet has at a time.
-- KEYS    checking
-- ARGV    token of the process, milliseconds until another may take over
-- Returns 0 if the process has it now, else the milliseconds until it may be free
local checking = KEYS[1]
local token, lease = ARGV[1], ARGV[2]

local holder = redis.call('GET', checking)
if holder and holder ~= token then return math.max(1, redis.call('PTTL', checking)) end
redis.call('SET', checking, token, 'PX', lease)
return 0
