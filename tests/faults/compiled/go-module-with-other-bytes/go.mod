module tiny

go 1.21

require example.org/greeter v1.0.0
