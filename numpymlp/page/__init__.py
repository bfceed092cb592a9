"""The HTML page of a trained network: draw a digit, look inside, step back.

`contents` chooses what goes into the page, `html` puts it together with the modules in `web/`,
which compute and draw in the browser.
"""
