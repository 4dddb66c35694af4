-- Included by swap_repo.lua, whose KEYS it uses: a record into the indexes and out of them. A side is the number of the
-- first of six keys of a place (8 the old, 14 the new); sha1_repos, profiles and sha1_names stand behind them in pairs.
--@include profiles
--@include newest

local function beside(side, first) return KEYS[first + (side == 8 and 0 or 1)] end

local function row_of(id, cell, time) return table.concat({cell, time, id}, '/') end

-- Returns the lines without one, or nil if they have not got it.
local function without(lines, line)
  local from, to = string.find('\n' .. lines, '\n' .. line .. '\n', 1, true)
  return from and string.sub(lines, 1, from - 1) .. string.sub(lines, to)
end

local function index(side, id, cell, time)
  redis.call('ZADD', KEYS[side + 4], 0, row_of(id, cell, time))
  redis.call('ZADD', beside(side, 20), time, id)
  redis.call('ZADD', KEYS[5], time, id)
end

local function unindex(side, id, cell, time)
  redis.call('ZREM', KEYS[side + 4], row_of(id, cell, time))
  redis.call('ZREM', beside(side, 20), id)
  redis.call('ZREM', KEYS[5], id)
end

local function set_lines(side, sha1, before, lines)
  local rows, profiles = KEYS[side + 5], beside(side, 22)
  if lines == '' then redis.call('HDEL', rows, sha1) else redis.call('HSET', rows, sha1, lines) end
  if before ~= '' then redis.call('ZREM', profiles, profile_member(before, sha1)) end
  if lines ~= '' then redis.call('ZADD', profiles, 0, profile_member(lines, sha1)) end
end

-- Puts the lists right that a record of the status of `cell` stands in, from the lines of its sha1.
local function rank(side, ref, sha1, cell, lines)
  local status, newest, newest_of_status = string.match(cell, '^[^/]*'), nil, nil
  for line_status, time in string.gmatch(lines, '([^/\n]*)/[^\n]*/(%d+)/%d+\n') do
    if not newest or time > newest then newest = time end
    if line_status == status and (not newest_of_status or time > newest_of_status) then newest_of_status = time end
  end
  set_score(KEYS[side + 2], sha1, newest)
  set_score(KEYS[side + 3], sha1, newest_of_status)
  set_score(KEYS[side], ref, newest_in(KEYS[side + 2]))
  set_score(KEYS[side + 1], ref, newest_in(KEYS[side + 3]))
  local anywhere = newest_in(beside(side, 20))
  if set_score(KEYS[6], sha1, anywhere) == 1 then set_score(beside(side, 24), sha1, anywhere and 0) end
end
