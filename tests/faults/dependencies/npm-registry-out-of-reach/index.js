console.log(require('greeter'))
