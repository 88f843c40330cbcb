package agentapi

// Hub is hub, for its fuzz test.
var Hub = hub
