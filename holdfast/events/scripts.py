"""What has to be one step in Redis. Each script touches the slot of one partition."""

# KEYS: stream, lease, epoch key. ARGV: group, lease's value or nothing, client id, count, known epoch, id behind which
# entries may be missing or nothing, id up to which the member knows what was delivered.
# Answers the group's last delivered id, and the new entries. Of a stream that is empty by now, its last id says whether
# entries were in it.
# A member that was stopped and has lost its lease must not take entries from its successor, so the step that reads
# looks at the lease. If entries were delivered in an answer that never arrived, the member has to take them in first.
READ = """
if ARGV[2] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[2] then return {'lost'} end
local epoch = redis.call('GET', KEYS[3]) or ''
if epoch ~= ARGV[5] then return {'epoch', epoch} end
if ARGV[6] ~= '' then
    local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
    if not info.err then
        local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
        local ms, seq = string.match(first and first[1] or info[8], '(%d+)-(%d+)')
        local known_ms, known_seq = string.match(ARGV[6], '(%d+)-(%d+)')
        ms, seq, known_ms, known_seq = tonumber(ms), tonumber(seq), tonumber(known_ms), tonumber(known_seq)
        if ms > known_ms or (ms == known_ms and seq > known_seq) then return {'trimmed', info[8]} end
    end
end
local last_id = ''
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
for _, group in ipairs(groups.err and {} or groups) do
    if group[2] == ARGV[1] then last_id = group[8] end
end
if ARGV[2] ~= '' and last_id ~= '' and last_id ~= ARGV[7] then return {'behind'} end
local answer = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[3], 'COUNT', ARGV[4], 'STREAMS', KEYS[1], '>')
local entries = answer and answer[1][2] or {}
return {'entries', #entries > 0 and entries[#entries][1] or last_id, entries}
"""

# KEYS: stream, hash of what is missed. ARGV: group, id behind which it begins, field that is kept.
# Gaps of an entity were noted in a former life of the group, of which nothing is pending any more: all events come
# again.
MAKE = """
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
for _, group in ipairs(groups.err and {} or groups) do
    if group[2] == ARGV[1] then return 0 end
end
redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM')
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
    if field ~= ARGV[3] then redis.call('HDEL', KEYS[2], field) end
end
return 1
"""

# KEYS: stream, lease, epoch key. ARGV: group, lease's value, client id, idle time in ms after which a consumer is
# forgotten.
# Answers the epoch, the last delivered id, and of each pending entry its id, how often it was handed over, and its
# fields: none if it was trimmed.
TAKE_OVER = """
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return {'lost'} end
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000000)
local entries = {}
for i, entry in ipairs(pending) do
    local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, entry[1], 'RETRYCOUNT', entry[4])
    entries[i] = {entry[1], entry[4], claimed[1] and claimed[1][2] or false}
end
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    if consumer[4] == 0 and consumer[6] > tonumber(ARGV[4]) then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer[2])
    end
end
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    if group[2] == ARGV[1] then return {'taken', redis.call('GET', KEYS[3]) or '', group[8], entries} end
end
"""

# KEYS: stream. ARGV: group, client id, idle time in ms, id, deliveries.
# Answers the entry's fields, none if it was trimmed, or nil if somebody else has it by now. Deliveries are counted when
# it is handed over, not here.
CLAIM = """
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], ARGV[4], ARGV[4], 1)
if not pending[1] then return false end
local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[4], 'RETRYCOUNT', ARGV[5])
return claimed[1] and claimed[1][2] or {}
"""

# KEYS: stream, lease. ARGV: group, lease's value or nothing, client id, '1' to remove the entries, ids.
# Answers 1, also to a repeat; 0 if another member of an unordered group has the entry by now; -1 if the lease is lost.
ACK = """
if ARGV[2] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[2] then return -1 end
local is_ours = 1
for i = 5, #ARGV do
    if ARGV[2] == '' and redis.call('EXISTS', KEYS[1]) == 1 then
        local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
        if pending[1] and pending[1][2] ~= ARGV[3] then is_ours = 0 end
    end
    if is_ours == 1 then
        redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
        if ARGV[4] == '1' then redis.call('XDEL', KEYS[1], ARGV[i]) end
    end
end
return is_ours
"""

# KEYS: hash, lease. ARGV: field, lease's value.
FORGET = """
if redis.call('GET', KEYS[2]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
"""

# KEYS: key. ARGV: value that we set, milliseconds that it is to live on. Answers whether it is still ours.
RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

# KEYS: key. ARGV: value that we set.
RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""
