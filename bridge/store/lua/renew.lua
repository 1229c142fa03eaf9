-- Keeps a lease that is still ours. ARGV: lease key, token, how long (ms). Returns 1, or 0 when it is lost.
if redis.call('GET', ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('PEXPIRE', ARGV[1], ARGV[3])
return 1
