-- Sends each prepared request once and checks every answer, as Judge in exchange.py does. One thread: what was answered
-- twice is seen only by who sees everything.
--
-- Arguments: the file of requests, and the file for what came of them. The first line of the requests says what is
-- expected, each other line is a request: key, parts, and the bytes with \30 for CR LF. Fields end with a tab, parts
-- with \31.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
  int getpid(void);
  int kill(int process, int signal);
]]

local MONOTONIC, INTERRUPT = 1, 2
local ERROR_BODY = '{"errors":[{"message":"'
local WRONG_SHOWN = 20
local moment = ffi.new("moment")

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

local function now()
  ffi.C.clock_gettime(MONOTONIC, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

local function split(text, separator)
  local pieces = {}
  for piece in text:gmatch("([^" .. separator .. "]*)" .. separator) do
    table.insert(pieces, piece)
  end
  return pieces
end

local raws, keys, parts = {}, {}, {}
local expected = {}
local index, place = 1, {}
local asked_at, seen = {}, {}
local is_verified = false

-- Global, so that `done` may ask for them.
sent, successes, wrong_count, first_at, last_at = 0, 0, 0, 0, 0
refusals, wrong, took, outcome = {}, {}, {}, ""

local function starts_with(text, beginning)
  return text:sub(1, #beginning) == beginning
end

function init(arguments)
  outcome = arguments[2]
  local is_first = true
  for line in io.lines(arguments[1]) do
    local fields = split(line, "\t")
    if is_first then
      is_first = false
      expected.status = tonumber(fields[1])
      expected.refusals = {}
      for _, status in ipairs(split(fields[2], "\31")) do
        expected.refusals[tonumber(status)] = true
      end
      expected.begins, expected.names = fields[3], fields[4]
      expected.parts = split(fields[5], "\31")
      expected.fresh = fields[6] == "fresh"
    else
      table.insert(keys, fields[1])
      table.insert(parts, split(fields[2], "\31"))
      table.insert(raws, (fields[3]:gsub("\30", "\r\n")))
      place[fields[1]] = #keys
    end
  end
end

local function answers()
  local count = successes + wrong_count
  for _, times in pairs(refusals) do
    count = count + times
  end
  return count
end

function request()
  if not is_verified then
    -- wrk asks once before it begins, to see whether this is HTTP, and does not send that.
    is_verified = true
    return raws[1]
  end
  if index > #raws then
    return "" -- nothing is sent, and the connection waits until all answers are there
  end
  local at = now()
  if sent == 0 then
    first_at = at
  end
  sent = sent + 1
  asked_at[index] = at
  index = index + 1
  return raws[index - 1]
end

local function complain(text)
  wrong_count = wrong_count + 1
  if #wrong < WRONG_SHOWN then
    table.insert(wrong, (text:gsub("%s", " ")))
  end
end

local function lacks(body, wanted)
  for _, part in ipairs(wanted) do
    if not body:find(part, 1, true) then
      return part
    end
  end
end

local function succeed(body)
  if not starts_with(body, expected.begins) then
    return complain("not what was asked for: " .. body:sub(1, 200))
  end
  if expected.fresh then
    local found = body:sub(#expected.begins + 1, #expected.begins + 24)
    if seen[found] then
      return complain(found .. " came into being twice")
    end
    seen[found] = true
  end
  local missing = lacks(body, expected.parts)
  if missing then
    return complain("lacks " .. missing .. ": " .. body:sub(1, 200))
  end
  if expected.names ~= "" then
    local _, before = body:find(expected.names, 1, true)
    local after = before and body:find('"', before + 1, true)
    local which = after and place[body:sub(before + 1, after - 1)]
    if not which or which >= index then
      return complain("is about something else: " .. body:sub(1, 200))
    end
    if not asked_at[which] then
      return complain(keys[which] .. " was answered twice")
    end
    missing = lacks(body, parts[which])
    if missing then
      return complain("lacks " .. missing .. ": " .. body:sub(1, 200))
    end
    table.insert(took, last_at - asked_at[which])
    asked_at[which] = nil
  end
  successes = successes + 1
end

function response(status, headers, body)
  last_at = now()
  if expected.refusals[status] then
    if starts_with(body, ERROR_BODY) then
      refusals[status] = (refusals[status] or 0) + 1
    else
      complain(status .. " without its reason: " .. body:sub(1, 200))
    end
  elseif status == expected.status then
    succeed(body)
  else
    complain(status .. " " .. body:sub(1, 200))
  end
  if index > #raws and answers() == sent then
    ffi.C.kill(ffi.C.getpid(), INTERRUPT) -- wrk sleeps for all of its time otherwise
    wrk.thread:stop()
  end
end

function done(summary, latency, requests)
  local thread = threads[1]
  local file = assert(io.open(thread:get("outcome"), "w"))
  local first, last = thread:get("first_at"), thread:get("last_at")
  file:write("sent\t", thread:get("sent"), "\n")
  file:write("successes\t", thread:get("successes"), "\n")
  file:write("wrong_count\t", thread:get("wrong_count"), "\n")
  file:write(string.format("seconds\t%.6f\n", math.max(last - first, 0)))
  local errors = summary.errors
  file:write("reconnects\t", errors.connect + errors.read + errors.write, "\n")
  for status, times in pairs(thread:get("refusals")) do
    file:write("refused\t", status, "\t", times, "\n")
  end
  for _, text in ipairs(thread:get("wrong")) do
    file:write("wrong\t", text, "\n")
  end
  for _, seconds in ipairs(thread:get("took")) do
    file:write(string.format("took\t%.6f\n", seconds))
  end
  -- Answers that name nothing cannot be told apart: wrk's own measure of all answers stands for theirs.
  for number = 1, #latency do
    local microseconds, count = latency(number)
    file:write(string.format("any\t%.6f\t%d\n", tonumber(microseconds) / 1e6, tonumber(count)))
  end
  file:close()
end
