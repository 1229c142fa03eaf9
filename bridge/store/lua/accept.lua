-- Stores several bodies: drops entries seen before, appends the rest to their journals, rings for the fold.
-- ARGV: prefix, how long a delivery key is kept (ms), most directories of one name, then for each body:
--       number of refused rows, of entries, refused stream, rows…, for each entry: directory,
--       delivery key ('' for none), payload.
-- Returns for each body the numbers of its entries that are new, that are duplicates, and that are not stored since
-- their directory would be one too many; or in place of the first what went wrong. A body that fails leaves the
-- others alone, and no delivery key without its event: the sender's repeat stores what is missing.
local prefix, ttl, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local at, stored, news, answers, counts = 4, 0, {}, {}, {}

local function wrong(answer)
  return type(answer) == 'table' and answer.err and answer or nil
end

local function refuse(stream, first, last)
  for row = first, last do
    local failed = wrong(redis.pcall('XADD', stream, 'MAXLEN', '~', 1000, '*', 'r', ARGV[row]))
    if failed then
      return failed
    end
  end
  return wrong(redis.pcall('PEXPIRE', stream, ttl))
end

-- Tells whether a delivery was seen before the directory was forgotten: both keys were given the same time.
local function older(seen, renewed)
  local left = redis.call('PTTL', renewed)
  return left >= 0 and redis.call('PTTL', seen) <= left
end

-- Tells whether a directory is there, or may be: of one name (before the colon) there are so many at most.
local function admitted(directory)
  local name = string.match(directory, '^(.-):')
  if not name or news[directory] or redis.call('SISMEMBER', prefix .. ':directories', directory) == 1 then
    return true
  end
  if not counts[name] then
    counts[name] = 0
    for _, each in ipairs(redis.call('SMEMBERS', prefix .. ':directories')) do
      if string.match(each, '^(.-):') == name then
        counts[name] = counts[name] + 1
      end
    end
  end
  counts[name] = counts[name] + 1
  return counts[name] <= most
end

-- Returns 1 when it is new, 0 when it was there, or what went wrong.
local function append(directory, key, payload)
  local seen = key ~= '' and prefix .. ':seen:' .. directory .. ':' .. key
  local fresh = not seen or redis.pcall('SET', seen, 1, 'NX', 'PX', ttl)
  if not fresh and older(seen, prefix .. ':renewed:' .. directory) then
    fresh = redis.pcall('SET', seen, 1, 'PX', ttl)
  end
  if not fresh or wrong(fresh) then
    return fresh or 0
  end
  local failed = wrong(redis.pcall('XADD', prefix .. ':journal:' .. directory, '*', 'e', payload))
  if failed then
    if seen then
      redis.call('DEL', seen)
    end
    return failed
  end
  news[directory] = true
  stored = stored + 1
  return 1
end

while at <= #ARGV do
  local refused, entries, stream = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2]
  local accepted, beyond, failed = 0, 0, nil
  at = at + 3
  if refused > 0 then
    failed = refuse(stream, at, at + refused - 1)
    at = at + refused
  end
  for entry = at, at + 3 * entries - 1, 3 do
    local new
    if not failed and admitted(ARGV[entry]) then
      new = append(ARGV[entry], ARGV[entry + 1], ARGV[entry + 2])
    elseif not failed then
      beyond = beyond + 1
    end
    if type(new) == 'table' then
      failed = new
    elseif new then
      accepted = accepted + new
    end
  end
  at = at + 3 * entries
  answers[#answers + 1] = failed or accepted
  answers[#answers + 1] = entries - accepted - beyond
  answers[#answers + 1] = beyond
end
if stored > 0 then
  local now = redis.call('TIME')[1] .. '000'
  redis.call('HINCRBY', prefix .. ':counters', 'accepted', stored)
  for directory in pairs(news) do
    redis.call('SADD', prefix .. ':directories', directory)
    ring(prefix, 'fold', directory, now)
  end
end
return answers
