trap 'exit 0' TERM INT
httpd -f -p "127.0.0.1:${PORT:-8080}" -h /www &
wait
