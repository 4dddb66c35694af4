-- Included by the scripts that write records: names in sorted sets by the time of their newest record.

local function newest_in(key) return redis.call('ZRANGE', key, 0, 0, 'REV', 'WITHSCORES')[2] end

-- Gives a member its score, or takes it away where there is none; returns 1 if it has come or gone.
local function set_score(key, member, score)
  if score then return redis.call('ZADD', key, score, member) end
  return redis.call('ZREM', key, member)
end
