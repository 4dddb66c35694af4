-- Included by the scripts that walk the pool.

-- Returns the hosts in the order of their turns: those of the configuration (ARGV from `first` on), then the registered.
local function pool_of(known, first)
  local hosts, seen = {}, {}
  local function add(host)
    if not seen[host] then hosts[#hosts + 1] = host end
    seen[host] = true
  end
  for index = first, #ARGV do add(ARGV[index]) end
  for _, host in ipairs(redis.call('ZRANGE', known, 0, -1)) do add(host) end
  return hosts
end
