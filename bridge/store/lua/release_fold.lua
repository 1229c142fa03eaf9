-- Gives a directory's lease back unless something is unread. ARGV: lease key, token, journal, cursor key.
-- Returns 1 when given back (or lost already), 0 when there is more to read.
if redis.call('GET', ARGV[1]) ~= ARGV[2] then
  return 1
end
local last = redis.call('XREVRANGE', ARGV[3], '+', '-', 'COUNT', 1)
if last[1] and last[1][1] ~= redis.call('GET', ARGV[4]) then
  return 0
end
redis.call('DEL', ARGV[1])
return 1
