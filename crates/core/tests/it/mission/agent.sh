# An agent whose prompt is a shell script. It speaks Claude Code's JSON lines and asks no hook.
#
# Started as: /bin/sh agent.sh --settings SETTINGS [--resume CONVERSATION]
conversation=${4-conversation-$$}

begin() { printf '{"type":"system","subtype":"init","session_id":"%s"}\n' "$conversation"; }
say() { printf '{"type":"assistant","message":{"content":[{"type":"text","text":"%s"}]}}\n' "$1"; }
# call ID TOOL COMMAND
call() {
    printf '{"type":"assistant","message":{"content":[{"type":"tool_use","id":"%s","name":"%s","input":{"command":"%s"}}]}}\n' \
        "$1" "$2" "$3"
}
# returned ID IS_ERROR [CONTENT]
returned() {
    printf '{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"%s","is_error":%s,"content":"%s"}]}}\n' \
        "$1" "$2" "${3-}"
}
# result SUBTYPE IS_ERROR TEXT
result() {
    printf '{"type":"result","subtype":"%s","is_error":%s,"result":"%s","total_cost_usd":0.25,"usage":{"input_tokens":3,"output_tokens":4}}\n' \
        "$1" "$2" "$3"
}
finish() { result success false "${1-done}"; }
# Waits for a file, as long as a test would.
await() {
    tries=0
    until [ -e "$1" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 3000 ] || exit 99
        sleep 0.02
    done
}

prompt=$(cat)
eval "$prompt"
