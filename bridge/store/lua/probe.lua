-- Does what the scripts beside it do, on keys of its own. ARGV: keys of a text, a stream and a job of arq's, ttl (ms).
local text, stream, job, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
redis.call('SET', text, cjson.encode({redis.call('TIME')[1]}), 'PX', ttl)
redis.call('XADD', stream, '*', 'e', '1')
redis.call('PEXPIRE', stream, ttl)
redis.call('SET', job, '1', 'PX', ttl)
return redis.call('DEL', text, stream, job)
