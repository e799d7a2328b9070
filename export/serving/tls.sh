#!/usr/bin/env bash
# Makes a private authority, a server certificate signed by it, and TF Serving's --ssl_config_file.
#
#     export/serving/tls.sh HOST FOLDER
#
# FOLDER gets ca.crt (for clients: --ca_file), tls.crt and tls.key (for nginx), and ssl.config (for
# TF Serving). With a certificate from elsewhere, put it there as tls.crt and tls.key.
set -euo pipefail
if [ $# -ne 2 ]; then
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 1
fi
host=$1
mkdir -p "$2"
cd "$2"
umask 077
if [ ! -e tls.key ]; then
  openssl req -x509 -newkey rsa:2048 -nodes -days 825 -subj "/CN=lnmn private authority" \
    -keyout ca.key -out ca.crt 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$host" -keyout tls.key -out tls.csr 2>/dev/null
  case $host in *[!0-9.]*) name="DNS:$host" ;; *) name="IP:$host" ;; esac
  openssl x509 -req -days 825 -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out tls.crt \
    -extfile <(echo "subjectAltName=$name") 2>/dev/null
  rm -f tls.csr ca.srl
fi
pem() { awk '{ printf "%s\\n", $0 }' "$1"; }
{
  echo "server_key: \"$(pem tls.key)\""
  echo "server_cert: \"$(pem tls.crt)\""
} > ssl.config
echo "wrote ca.crt, tls.crt, tls.key and ssl.config to $2"
