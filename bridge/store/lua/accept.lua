-- Stores one body: drops entries seen before, appends the rest to their journals, rings for the fold.
-- ARGV: prefix, now (ms), how long a delivery key is kept (ms), number of refused rows, refused stream, rows…,
--       then for each entry: directory, delivery key ('' for none), payload.
-- Returns {accepted, duplicates}.
local prefix, now, ttl, refused = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local at, accepted, duplicates, rung = 6, 0, 0, {}
for _ = 1, refused do
  redis.call('XADD', ARGV[5], 'MAXLEN', '~', 1000, '*', 'r', ARGV[at])
  at = at + 1
end
if refused > 0 then
  redis.call('PEXPIRE', ARGV[5], ttl)
end
while at <= #ARGV do
  local directory, key, payload = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  at = at + 3
  if key ~= '' and not redis.call('SET', prefix .. ':seen:' .. directory .. ':' .. key, 1, 'NX', 'PX', ttl) then
    duplicates = duplicates + 1
  else
    redis.call('XADD', prefix .. ':journal:' .. directory, '*', 'e', payload)
    accepted = accepted + 1
    rung[directory] = true
  end
end
if accepted > 0 then
  redis.call('HINCRBY', prefix .. ':counters', 'accepted', accepted)
  for directory in pairs(rung) do
    redis.call('SADD', prefix .. ':directories', directory)
    ring(prefix, 'fold', directory, now)
  end
end
return {accepted, duplicates}
