-- Heads of the length browsers send. No two are alike, but they differ only in User-Agent, Cookie and
-- Referer, which mean nothing to a static file.
dofile("report.lua")

local head = table.concat({
  "GET %s HTTP/1.1", "Host: %s", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:%d.0) Gecko/20100101 Firefox/%d.0",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "Accept-Language: en-GB,en;q=0.5", "Accept-Encoding: gzip, deflate, br, zstd", "Connection: keep-alive",
  "Referer: http://%s/page/%d", "Cookie: session=7c2d%08xd41c; theme=dark; seen=%d", "Upgrade-Insecure-Requests: 1",
  "Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: same-origin", "Sec-Fetch-User: ?1",
  "Priority: u=0, i", "", "",
}, "\r\n")
local count, path, host = 0, nil, nil

init = function() path, host = wrk.path, wrk.headers["Host"] or (wrk.host .. ":" .. wrk.port) end

request = function()
  count = count + 1
  local version = 100 + count % 40
  return string.format(head, path, host, version, version, host, count % 997, count, count % 89)
end
