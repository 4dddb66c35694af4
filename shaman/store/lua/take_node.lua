-- Takes the node whose turn it is, and notes when: those that are up take turns in the order of the pool.
-- KEYS    turn, known, down, used
-- ARGV    1 'take', or 'peek' to leave everything as it is, 2- the hosts of the configuration, in order
-- Returns the host, or '' if no node of the pool is up
local turn, known, down, used = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local peek = ARGV[1] == 'peek'

--@include pool
local up = {}
for _, host in ipairs(pool_of(known, 2)) do
  if redis.call('SISMEMBER', down, host) == 0 then up[#up + 1] = host end
end
if #up == 0 then return '' end
local count = peek and (redis.call('GET', turn) or 0) + 1 or redis.call('INCR', turn)
local host = up[(count - 1) % #up + 1]
if not peek then
  local now = redis.call('TIME')
  redis.call('HSET', used, host, string.format('%d%06d', now[1], now[2]))
end
return host
