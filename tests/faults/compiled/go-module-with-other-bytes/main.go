package main

import "example.org/greeter"

func main() { println(greeter.Hello()) }
