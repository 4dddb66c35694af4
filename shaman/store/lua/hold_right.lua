-- Takes or renews a right that one process of the fleet has at a time.
-- KEYS    the right
-- ARGV    token of the process, milliseconds until another may take over
-- Returns 0 if the process has it now, else the milliseconds until it may be free
local right = KEYS[1]
local token, lease = ARGV[1], ARGV[2]

local holder = redis.call('GET', right)
if holder and holder ~= token then return math.max(1, redis.call('PTTL', right)) end
redis.call('DEL', right) -- a server that is full lets a script end that has begun with what frees memory
redis.call('SET', right, token, 'PX', lease)
return 0
