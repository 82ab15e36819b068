-- What one writes in an afternoon instead: an allow list of registries, and a counter of restarts.

local allowed = {
    ["docker.io"] = true,
    ["registry.corp.example"] = true,
    ["registry.k8s.io"] = true,
}
local window, limit = 600, 3
local deaths = {}

local function registry(image)
    local first = image:match("^([^/]+)/")
    if first and (first == "localhost" or first:find("[.:]")) then
        return first
    end
    return "docker.io"
end

function inspect(tag, timestamp, record)
    if record["Type"] ~= "container" then
        return 0, timestamp, record
    end
    local attributes = record["Actor"] and record["Actor"]["Attributes"]
    if not attributes then
        return 0, timestamp, record
    end

    local tags = {}
    local image = attributes["image"]
    if image and not allowed[registry(image)] then
        tags[#tags + 1] = "unauthorized-image"
    end

    if record["Action"] == "die" then
        local name = attributes["name"] or "-"
        local now = record["time"] or 0
        local seen = deaths[name]
        if not seen or now - seen.since > window then
            seen = { since = now, count = 0 }
            deaths[name] = seen
        end
        seen.count = seen.count + 1
        if seen.count > limit then
            tags[#tags + 1] = "restart-spike"
        end
    end

    record["verdict"] = #tags > 0 and "match" or "clean"
    if #tags > 0 then
        record["tags"] = tags
    end
    return 2, timestamp, record
end
