-- Gives a target's lease back unless something is due. ARGV: lease key, token, work list, now (ms).
-- Returns 1 when given back (or lost already), 0 when something is due.
if redis.call('GET', ARGV[1]) ~= ARGV[2] then
  return 1
end
if #redis.call('ZRANGEBYSCORE', ARGV[3], '-inf', ARGV[4], 'LIMIT', 0, 1) > 0 then
  return 0
end
redis.call('DEL', ARGV[1])
return 1
