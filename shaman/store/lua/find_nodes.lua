-- Lists the pool in the order of the turns, with all that is known of each node.
-- KEYS    known, facts, used
-- ARGV    the hosts of the configuration, in order
-- Returns seconds and microseconds of the store's clock, then for each node: its host, its document or '', when it was
--         handed out last or '', whether it has registered (1 or 0)
local known, facts, used = KEYS[1], KEYS[2], KEYS[3]

--@include pool
local answer = redis.call('TIME')
for _, host in ipairs(pool_of(known, 1)) do
  answer[#answer + 1] = host
  answer[#answer + 1] = redis.call('HGET', facts, host) or ''
  answer[#answer + 1] = redis.call('HGET', used, host) or ''
  answer[#answer + 1] = redis.call('ZSCORE', known, host) and 1 or 0
end
return answer
