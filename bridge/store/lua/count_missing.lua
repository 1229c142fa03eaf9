-- Returns what `missing` does. ARGV: prefix, '1' to let the counters tell of what is there from here on.
local accepted, left = missing(ARGV[1])
if ARGV[2] == '1' and left ~= 0 then
  redis.call('HINCRBY', ARGV[1] .. ':counters', 'accepted', string.format('%.0f', -left))
end
return {accepted, left}
