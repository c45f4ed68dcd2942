-- The mix of SPECweb99: four classes of sizes (35, 50, 14 and 1 of 100 requests), nine sizes in each, of which the
-- middle one is asked for most, and directories by Zipf's law: the second half as often as the first, and so on.
-- 20,000 requests are drawn beforehand, so that drawing costs the client nothing while it is measured.
dofile("report.lua")

local DIRECTORIES, DRAWN = 20, 20000
local CLASSES = {35, 85, 99, 100} -- summed up
local FILES = {39, 155, 275, 505, 789, 878, 947, 989, 1000} -- of 1000, summed up
local requests, number = {}, 0

local function place(sums, value)
  for at, sum in ipairs(sums) do
    if value <= sum then return at end
  end
end

init = function()
  math.randomseed(1)
  local zipf, total = {}, 0
  for directory = 1, DIRECTORIES do
    total = total + 1 / directory
    zipf[directory] = total
  end
  for drawn = 0, DRAWN - 1 do
    local directory = place(zipf, math.random() * total) - 1
    local class, file = place(CLASSES, math.random(100)) - 1, place(FILES, math.random(1000))
    requests[drawn] = wrk.format("GET", string.format("%s%d/class%d_%d.bin", wrk.path, directory, class, file))
  end
end

request = function()
  number = (number + 1) % DRAWN
  return requests[number]
end
