-- What users keep, counted in bytes as it comes and goes: an entry expires, is overwritten, is deleted.
--   <prefix>:cache:entry:<user>:<key>  the value, with its life
--   <prefix>:cache:ends:<user>         a user's keys by the moment of their end, ms
--   <prefix>:cache:sizes:<user>        bytes of each key, and under '' of all of them
--   <prefix>:cache:users               users by the moment at which the first of their entries ends
--   <prefix>:cache:bytes               of all users
-- ARGV: set|delete|delete_all, prefix, user, key; of set: value, life in s, most keys, most bytes of a user, most bytes
-- of all, bytes an entry takes besides key and value.
-- set answers 0 kept, 1 too many keys, 2 too many bytes of this user, 3 of all; the others, how many were deleted.
local operation, prefix, user, key = ARGV[1], ARGV[2] .. ':cache:', ARGV[3], ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local users, total = prefix .. 'users', prefix .. 'bytes'

local function ends(of) return prefix .. 'ends:' .. of end
local function sizes(of) return prefix .. 'sizes:' .. of end
local function entry(of, name) return prefix .. 'entry:' .. of .. ':' .. name end
local function number(text) return tonumber(text or '0') or 0 end

local function forget(of, name)
  local bytes = number(redis.call('HGET', sizes(of), name))
  redis.call('HDEL', sizes(of), name)
  redis.call('ZREM', ends(of), name)
  if bytes > 0 then
    redis.call('HSET', sizes(of), '', number(redis.call('HGET', sizes(of), '')) - bytes)
    redis.call('DECRBY', total, bytes)
  end
  return redis.call('DEL', entry(of, name))
end

-- When the first of a user's entries ends; a user without any leaves nothing behind.
local function note_end(of)
  local first = redis.call('ZRANGE', ends(of), 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('ZADD', users, first[2], of)
  else
    redis.call('ZREM', users, of)
    redis.call('DEL', sizes(of))
  end
end

local function expire(of)
  local ended = redis.call('ZRANGEBYSCORE', ends(of), '-inf', now)
  for _, name in ipairs(ended) do forget(of, name) end
  if #ended > 0 then note_end(of) end
end

local function expire_others(most)
  for _, of in ipairs(redis.call('ZRANGEBYSCORE', users, '-inf', now, 'LIMIT', 0, most)) do expire(of) end
end

if operation == 'delete' then
  local deleted = forget(user, key)
  note_end(user)
  return deleted
elseif operation == 'delete_all' then
  local names = redis.call('ZRANGE', ends(user), 0, -1)
  for _, name in ipairs(names) do forget(user, name) end
  note_end(user)
  return #names
end

local value, life = ARGV[5], tonumber(ARGV[6])
local most_keys, most_bytes, most_of_all = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local bytes = #key + #value + tonumber(ARGV[10])
expire(user)
expire_others(10)
local replaced = number(redis.call('HGET', sizes(user), key))
if replaced == 0 and redis.call('ZCARD', ends(user)) >= most_keys then return 1 end
local more = bytes - replaced
local of_user = number(redis.call('HGET', sizes(user), '')) + more
if of_user > most_bytes then return 2 end
if more > 0 and number(redis.call('GET', total)) + more > most_of_all then
  expire_others(1000)
  if number(redis.call('GET', total)) + more > most_of_all then return 3 end
end
redis.call('SET', entry(user, key), value, 'EX', life)
redis.call('ZADD', ends(user), now + life * 1000, key)
redis.call('HSET', sizes(user), key, bytes, '', of_user)
redis.call('INCRBY', total, more)
note_end(user)
return 0
