#!/bin/sh
# Starts the griffin program with the Node.js that lies beside it; works from any folder and through symbolic links.
self=$0
case $self in */*) ;; *) self=$(command -v -- "$self") ;; esac
while [ -L "$self" ]; do
  link=$(readlink "$self") || exit 1
  case $link in
    /*) self=$link ;;
    *) self=${self%/*}/$link ;;
  esac
done
home=$(cd "${self%/*}" && pwd -P) || exit 1
exec "$home/bin/node" "$home/cli/griffin.mjs" "$@"
