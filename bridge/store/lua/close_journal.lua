-- Ends a journal whose directory is forgotten. What was accepted meanwhile stays, and is folded from there on.
-- ARGV: lease key, token, journal, cursor key, set of directories, directory, first id that stays.
-- Returns 1 when done, 0 when the lease is lost.
if redis.call('GET', ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('XTRIM', ARGV[3], 'MINID', ARGV[7])
if redis.call('XLEN', ARGV[3]) == 0 then
  redis.call('DEL', ARGV[3], ARGV[4])
  redis.call('SREM', ARGV[5], ARGV[6])
end
return 1
