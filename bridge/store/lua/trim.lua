-- Takes a slice of old rows off a journal's front: those before a time, and more where it is too large. Nothing
-- behind the cursor, or behind a dead letter, goes, ever: that is not folded yet.
-- ARGV: journal, cursor key, dead letters, before (ms), most bytes, rows in a slice. Returns how many rows went.
local journal, bound, slice = ARGV[1], redis.call('GET', ARGV[2]), tonumber(ARGV[6])
if not bound then
  return 0
end
local function parts(id)
  local time, number = string.match(id, '(%d+)-?(%d*)')
  return tonumber(time), tonumber(number) or 0
end
local function earlier(one, other)
  local time, number = parts(one)
  local other_time, other_number = parts(other)
  if time < other_time or (time == other_time and number < other_number) then
    return one
  end
  return other
end
for _, id in ipairs(redis.call('HKEYS', ARGV[3])) do
  bound = earlier(bound, id)
end
local function trim(id)
  local first = earlier(id, bound)
  local whole = redis.call('XTRIM', journal, 'MINID', '~', first, 'LIMIT', slice) -- whole nodes, some 100 rows each
  return whole > 0 and whole or redis.call('XTRIM', journal, 'MINID', first) -- then what is left: part of one
end
local gone = trim(ARGV[4])
local bytes = redis.pcall('MEMORY', 'USAGE', journal) -- not permitted everywhere: then by age alone
if type(bytes) ~= 'number' or bytes <= tonumber(ARGV[5]) then
  return gone
end
local surplus = math.ceil(redis.call('XLEN', journal) * (1 - ARGV[5] / bytes))
local rows = redis.call('XRANGE', journal, '-', bound, 'COUNT', math.min(slice, surplus))
if #rows > 0 then
  gone = gone + trim(rows[#rows][1])
end
return gone
