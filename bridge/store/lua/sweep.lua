-- Rings for whatever waits and nobody works on, whether or not a bell is thought to be ringing.
-- ARGV: prefix, now (ms), targets…. Returns how many jobs were rung for.
local prefix, now, rung = ARGV[1], ARGV[2], 0
local function wake(job, subject)
  redis.call('DEL', prefix .. ':bell:' .. job .. ':' .. subject)
  rung = rung + ring(prefix, job, subject, now)
end
for _, directory in ipairs(redis.call('SMEMBERS', prefix .. ':directories')) do
  if redis.call('EXISTS', prefix .. ':lease:fold:' .. directory) == 0 then
    local cursor = redis.call('GET', prefix .. ':cursor:' .. directory) or '0-0'
    if redis.call('XRANGE', prefix .. ':journal:' .. directory, '(' .. cursor, '+', 'COUNT', 1)[1] then
      wake('fold', directory)
    end
  end
end
for number = 3, #ARGV do
  local target = ARGV[number]
  if redis.call('EXISTS', prefix .. ':lease:converge:' .. target) == 0 then
    wake('converge', target)
  end
end
return rung
