exec httpd -f -p "127.0.0.1:${PORT:-8080}" -h /www
