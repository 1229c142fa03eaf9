-- One transaction: if every requirement holds, every command is run, else none.
-- ARGV: prefix, number of requirements, (key, field of a hash or "", expected value)…, then for each command:
-- number of words, words….
-- Beside Redis' own commands it knows
--   CLEAR work marks object mark        takes an object off the work list unless it was marked again meanwhile
--   DEFER work marks object mark due    gives it a later time unless it was marked again meanwhile
--   FORGET hash field value             deletes a field unless it has changed meanwhile
--   DROP hash field zset member         deletes a field unless the sorted set has the member
--   NEWS key now quiet                  notes that news came; `start` is when this burst of news began
--   RING job subject now                rings for a job
--   STRETCH hash field first last  lengthens the stretch `begin end` in a field if it ends at first, else begins one
--   NOTE stream most id row list last ttl  appends a row to a stream, and its id to a list
-- Returns 0 when all held, else the number of the requirement that did not.
local prefix, at = ARGV[1], 3
for number = 1, tonumber(ARGV[2]) do
  local key, field = ARGV[at], ARGV[at + 1]
  local value
  if field ~= '' then
    value = redis.call('HGET', key, field) or ''
  elseif ARGV[at + 2] == '' then
    value = redis.call('EXISTS', key) == 1 and 'something' or '' -- of any type
  else
    value = redis.call('GET', key)
  end
  if value ~= ARGV[at + 2] then
    return number
  end
  at = at + 3
end
local own = {
  CLEAR = function(work, marks, object, mark)
    if redis.call('HGET', marks, object) == mark then
      redis.call('ZREM', work, object)
      redis.call('HDEL', marks, object)
    end
  end,
  DEFER = function(work, marks, object, mark, due)
    if redis.call('HGET', marks, object) == mark then
      redis.call('ZADD', work, due, object)
    end
  end,
  FORGET = function(hash, field, value)
    if redis.call('HGET', hash, field) == value then
      redis.call('HDEL', hash, field)
    end
  end,
  DROP = function(hash, field, zset, member)
    if not redis.call('ZSCORE', zset, member) then
      redis.call('HDEL', hash, field)
    end
  end,
  NEWS = function(key, now, quiet)
    local last = tonumber(redis.call('HGET', key, 'last') or 0)
    if tonumber(now) - last > tonumber(quiet) then
      redis.call('HSET', key, 'start', now)
    end
    redis.call('HSET', key, 'last', now)
  end,
  RING = function(job, subject, now)
    ring(prefix, job, subject, now)
  end,
  STRETCH = function(hash, field, first, last)
    local begin, finish = string.match(redis.call('HGET', hash, field) or '', '^(%S+) (%S+)$')
    redis.call('HSET', hash, field, (finish == first and begin or first) .. ' ' .. last)
  end,
  NOTE = function(stream, most, id, row, list, last, ttl)
    redis.call('RPUSH', list, redis.call('XADD', stream, 'MAXLEN', '~', most, id, 'c', row))
    redis.call('LTRIM', list, -last, -1)
    redis.call('EXPIRE', list, ttl)
  end,
}
while at <= #ARGV do
  local words = tonumber(ARGV[at])
  local run = own[ARGV[at + 1]]
  if run then
    run(unpack(ARGV, at + 2, at + words))
  else
    redis.call(unpack(ARGV, at + 1, at + words))
  end
  at = at + words + 1
end
return 0
